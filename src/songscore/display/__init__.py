"""What people look at: pages, figures, and how a result shows itself in a notebook."""

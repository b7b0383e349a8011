"""Report pages, figures, and results as HTML for notebooks."""

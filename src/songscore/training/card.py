"""The model card."""
def render_card(*a): return ''

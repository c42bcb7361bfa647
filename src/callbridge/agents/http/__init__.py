"""Tools that are HTTP requests: written down, sent to public addresses on a list, answered within bounds."""

"""What all calls of a process share, what their facts do to it, and what runs beside them."""

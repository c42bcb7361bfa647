"""What `callbridge dev` is made of: a configuration for a laptop, a tunnel, a borrowed number, a screen."""

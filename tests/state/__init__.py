"""What is kept, and what every way of keeping it promises."""

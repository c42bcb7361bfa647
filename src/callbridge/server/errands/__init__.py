"""What commands do once, beside any service: ask whether calls would work, point numbers, forget a caller."""

"""What a text model finds in a call that is over: asked once, validated, and held against what was done."""

"""What a test expects of a call: `call.expect`. Reads the call and changes nothing."""

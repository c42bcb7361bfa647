"""What is said to Twilio's REST API: calls, texts, numbers and alerts of one account.

`client` has the requests, `library` is the one place that knows the vendor's package, `fault` says why
something was not done, and whether it may have been. `outcomes` says what
Twilio's codes mean for a transfer or a text.
"""

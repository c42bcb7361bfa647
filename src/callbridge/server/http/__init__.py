"""What is answered over HTTP: Twilio's webhooks, the media socket, health, and the control of a drain."""

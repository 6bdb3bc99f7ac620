"""What a pebble must show before it ships, measured through the API."""

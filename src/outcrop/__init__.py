"""Outcrop: model customization on your own hardware, through the Amazon Bedrock API."""

__version__ = "0.1.0"

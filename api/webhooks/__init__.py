"""Webhooks to partners: posting what is due, safely."""

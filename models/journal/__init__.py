"""What was done, once: idempotency keys, the outbox, the audit log."""

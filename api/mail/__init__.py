"""Mail: letters become messages, and leave by SMTP."""

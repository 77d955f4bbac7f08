"""A gateway that only pretends, with pages where a payer would be at a provider, and its staff."""

from api.gateways.sandbox.gateway import SandboxGateway

__all__ = ["SandboxGateway"]

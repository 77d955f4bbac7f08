"""How operations are measured, bounded, executed and masked: on the insides of graphql-core."""

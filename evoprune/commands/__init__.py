"""The subcommands, each a file with `add`, which declares it, and `call`, which does it."""

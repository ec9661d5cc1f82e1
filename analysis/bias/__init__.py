"""The positional bias of DTF."""

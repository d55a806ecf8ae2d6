"""The commands of `mrsp`, one file each."""

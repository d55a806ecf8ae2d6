"""What an MRSP does with a meter's data: order in, proven reading out."""

"""A meter bench without hardware: an AC source, a reference standard and a counter around one simulated meter.

The instruments speak the commands of their profiles over sockets. What the source puts out turns the meter's registers
and its test pulses, with the error that was chosen for it; energy is kept in integers, and none of it is lost.
"""

"""ERT radio meters on the air: frames with right check words, I/Q samples of them, and a stand-in for a dongle.

frames     the octets of SCM, SCM+, IDM and NetIDM
samples    frames as on-off keyed carrier in noise: unsigned octets, I and Q in turn
scene      which meters send what, when, and what goes wrong
rtl_tcp    serves samples at line rate as a receiver on the network does, with its faults
command    `metersim radio`
"""

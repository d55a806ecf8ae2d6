"""ERT meters over the air (SCM, SCM+, IDM, NetIDM), received by a supervised `rtl_433`.

    message     what the meters send, as values; `parse` makes them of the receiver's JSON lines
    intervals   many interval messages put together into contiguous blocks
    meter_data  confirmed messages as the data of a meter
    command     the argument list of rtl_433; `receiver` runs it, watches over it, starts it again
    lines       octets into lines of bounded length; `supervision` when to start again, and when to give up

Pure but for `receiver`.
"""

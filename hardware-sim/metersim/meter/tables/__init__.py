"""The C12.19 tables of a simulated meter, one file a decade: the model on one side, `drivers.c1219` on the other."""

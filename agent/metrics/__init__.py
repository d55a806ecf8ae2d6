"""What a monitoring system is told: Prometheus text over HTTP, or a file for node_exporter.

Written without the client library, which would cost a tenth of a second at each start and 5 MB of a small box: this
needs no more than names, labels and numbers. Labels are bounded: outcomes, reasons, checks, never meters.
"""

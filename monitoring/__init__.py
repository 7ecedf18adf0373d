"""What tells how the pipeline is: the exporter of metrics, the rules, alerts and dashboards that are made of them."""

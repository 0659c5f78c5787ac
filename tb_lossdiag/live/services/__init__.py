"""Where else findings go than to a function or the terminal.

In reading order:

- `message`: a finding as a service shows it
- `delivery`: hands messages over in a thread of its own: the training neither waits for a service nor fails with it
- `webhook`: an address that takes JSON: Slack's form, Discord's, or the finding as it is
- `wandb_alert`: an alert of a Weights & Biases run
- `mlflow_tag`: a tag of an MLflow run
- `trackio_alert`: an alert of a trackio run
"""

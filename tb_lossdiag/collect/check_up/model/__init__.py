"""What the modules do in a forward pass.

In reading order:

- `forward`: forward passes of the watched model: which one was for training, and what it was like
- `forward_pass`: one of them with gradients on: what is known of it
- `hooks`: sees modules being called while a check-up runs; nothing is ever stored on the user's model
- `trace`: the modules and activation functions of one forward pass: their order, what fed them, their statistics
- `kinds`: what modules and activation functions do
- `asleep`: parts of a model that are trained while they are in eval()
- `focus`: how attention looks: how large its scores are, and how much of its weight it gives to single places
- `additions`: how much a layer's output adds to what it is added to
- `routers`: which experts a router chooses
- `places`: places, counted one by one, that a half-precision format can't tell apart
- `eight_bits`: what casts to 8-bit floating-point numbers lose
- `activations`: statistics of one activation
- `inputs`: what a model is given
- `documents`: where the documents of a packed row begin
- `interleaved`: whether pictures whose channels come last were given another shape instead of another order
- `repeats`: whether samples of a batch are the same, and whether the batch is the one before
- `tables`: tokens that a table tells apart from no others
- `running`: how far the running statistics of batch normalisation lie from the batches
- `adapters`: what the answers of low-rank adapters are multiplied by
- `arguments`: what a model was given, and the same with other tensors
"""

"""Converts the published musicnn checkpoints to pruned ONNX files."""

"""From the published MSD-musicnn checkpoint to the pruned ONNX file."""

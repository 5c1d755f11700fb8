"""Every number of the front end, named once with its unit.

The values are those that the MSD-musicnn backbone was trained with (Pons and Serra,
"musicnn: pre-trained convolutional neural networks for music audio tagging", ISMIR 2019);
changing one of them means training another backbone.
"""

SAMPLE_RATE = 16_000  # Hz
FFT_SIZE = 512  # samples
HOP_SIZE = 256  # samples
FFT_BINS = FFT_SIZE // 2 + 1
MEL_BANDS = 96  # Slaney scale and norm, 0 Hz to SAMPLE_RATE / 2
LOG_GAIN = 10_000.0  # log10(1 + LOG_GAIN * mel power)

WINDOW_SECONDS = 3.0
WINDOW_SAMPLES = int(WINDOW_SECONDS * SAMPLE_RATE)
WINDOW_FRAMES = WINDOW_SAMPLES // HOP_SIZE  # 187 spectrogram frames
DEFAULT_WINDOWS = 10  # per track; more change the accuracy by less than 0.01

SHORTEST_SECONDS = 1.0  # of audio that a genre can be heard in
SHORTEST_SAMPLES = int(SHORTEST_SECONDS * SAMPLE_RATE)

DEFAULT_STYLES = 3  # at most, per track

DEFAULT_TIMEOUT = 60.0  # s that the analysis of a track may take

# A window that never exceeds this peak (-80 dB of full scale), beside a constant offset, is digital
# silence, dither included.
SILENCE_PEAK = 1e-4

"""The tutorial's training in PyTorch on a GPU, in the ways that people choose, timed.

MobileNetV2 (alpha 1.0) on random pictures of 160×160 in batches of 32: in phase 0 the base is frozen and the head
trained with Adam; in phase 1 all from layer 100 on (block 11's depthwise convolution) with RMSprop. Batch norm is
in inference mode, as in the tutorial. Pictures lie on the GPU, augmentation is left out: what is timed is what the
GPU computes. 30 warm steps of each phase are timed and taken for 63 steps an epoch, 10 and 11 epochs.
"""

import statistics
import sys
import time

import torch
from torch import nn

BATCH = 32
SIDE = 160
STEPS = 30
STEPS_AN_EPOCH = 63
EPOCHS = (10, 11)
# Expansion, channels, blocks, stride of the first block.
STAGES = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
# Blocks below the first that is trained.
FROZEN_BLOCKS = 11


def convolution(inputs, outputs, side, stride=1, groups=1, activation=True):
    layers = [
        nn.Conv2d(inputs, outputs, side, stride, side // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs, eps=1e-3),
    ]
    return nn.Sequential(*layers, nn.ReLU6()) if activation else nn.Sequential(*layers)


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride, expansion):
        super().__init__()
        wide = inputs * expansion
        self.expand = convolution(inputs, wide, 1) if expansion > 1 else nn.Identity()
        self.rest = nn.Sequential(
            convolution(wide, wide, 3, stride, groups=wide), convolution(wide, outputs, 1, activation=False)
        )
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x):
        y = self.rest(self.expand(x))
        return x + y if self.adds else y


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = convolution(3, 32, 3, 2)
        blocks, channels = [], 32
        for expansion, outputs, count, stride in STAGES:
            for number in range(count):
                blocks.append(Block(channels, outputs, stride if number == 0 else 1, expansion))
                channels = outputs
        self.blocks = nn.ModuleList(blocks)
        self.last = convolution(channels, 1280, 1)
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, 1))

    def forward(self, x):
        x = self.first(x)
        for block in self.blocks:
            x = block(x)
        return self.head(self.last(x).mean((2, 3)))


def seconds_a_step(phase, channels_last, tf32, bf16, compiled):
    torch.manual_seed(0)
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = True
    network = Network().cuda().eval()
    network.head.train()
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    trained = [network.head]
    if phase == 1:
        # Of the first trained block the expansion is frozen.
        trained += [network.blocks[FROZEN_BLOCKS].rest, *network.blocks[FROZEN_BLOCKS + 1 :], network.last]
    parameters = [parameter for module in trained for parameter in module.parameters()]
    for parameter in parameters:
        parameter.requires_grad_(True)
    x = torch.rand(BATCH, 3, SIDE, SIDE, device="cuda") * 2 - 1
    y = (torch.rand(BATCH, 1, device="cuda") > 0.5).float()
    if channels_last:
        network = network.to(memory_format=torch.channels_last)
        x = x.contiguous(memory_format=torch.channels_last)
    if phase == 0:
        optimizer = torch.optim.Adam(parameters, lr=1e-4, fused=True)
    else:
        optimizer = torch.optim.RMSprop(parameters, lr=1e-5, alpha=0.9, foreach=True)
    loss_of = nn.functional.binary_cross_entropy_with_logits

    def losses(x, y):
        with torch.autocast("cuda", torch.bfloat16, enabled=bf16):
            logits = network(x)
        return loss_of(logits.float(), y)

    if compiled:
        losses = torch.compile(losses, mode="reduce-overhead")

    def step():
        optimizer.zero_grad(set_to_none=True)
        losses(x, y).backward()
        optimizer.step()

    for _ in range(10):
        step()
    torch.cuda.synchronize()
    times = []
    for _ in range(3):
        start = time.perf_counter()
        for _ in range(STEPS):
            step()
        torch.cuda.synchronize()
        times.append((time.perf_counter() - start) / STEPS)
    return statistics.median(times)


def main():
    if not torch.cuda.is_available():
        sys.exit("no CUDA device for PyTorch")
    print(f"PyTorch {torch.__version__}, {torch.cuda.get_device_name()}")
    print(f"{'variant':44} {'phase 0, ms':>12} {'phase 1, ms':>12} {'21 epochs, s':>13}")
    variants = [
        ("eager, fp32", False, False, False, False),
        ("eager, fp32, channels last", True, False, False, False),
        ("eager, TF32, channels last", True, True, False, False),
        ("compiled with graphs, fp32", False, False, False, True),
        ("compiled with graphs, fp32, channels last", True, False, False, True),
        ("compiled with graphs, TF32, channels last", True, True, False, True),
        ("compiled with graphs, bf16, channels last", True, True, True, True),
    ]
    for name, *how in variants:
        try:
            steps = [seconds_a_step(phase, *how) for phase in (0, 1)]
        except Exception as error:  # A variant that a version cannot do is not the end of the others.
            print(f"{name:44} {type(error).__name__}: {str(error).splitlines()[0][:60]}")
            continue
        total = sum(epochs * STEPS_AN_EPOCH * step for epochs, step in zip(EPOCHS, steps))
        print(f"{name:44} {steps[0] * 1e3:12.2f} {steps[1] * 1e3:12.2f} {total:13.2f}", flush=True)


main()

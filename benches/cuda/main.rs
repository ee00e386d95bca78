//! Every product and convolution of the tutorial's network on a CUDA device, each tile of a product in turn:
//! time by the device's clock, share of its peak, and the same bits from all.
//!
//! `cargo bench --bench cuda -- [--images N]...` (32 and 512 if not said). It is for a machine with a device;
//! `tools/gpu/verify.sh` runs it there.

#![allow(clippy::print_stdout)]

mod layers;
mod timed;

use goldrun::kernels::cuda::{Device, Error, Kernels};
use goldrun::model::Network;
use goldrun::model::backbone::mobilenet_v2;

use self::layers::{Layers, Limits};

/// Numbers of images of a launch that are timed, if not said.
const IMAGES: [usize; 2] = [32, 512];
/// Side of the pictures.
const SIDE: usize = 160;

fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut asked: Vec<usize> = arguments
        .iter()
        .filter_map(|word| word.parse().ok())
        .collect();
    if asked.is_empty() {
        asked = IMAGES.to_vec();
    }
    let device = match Device::open() {
        Ok(device) => device,
        Err(error) => {
            println!("skipped: {error}");
            return Ok(());
        }
    };
    let network = Network {
        layers: mobilenet_v2::layers(SIDE, SIDE, 1.0),
        outputs: 1,
        dropout: 0.2,
    };
    let description = device.description();
    println!(
        "{}, compute capability {}, driver CUDA {}",
        description.name,
        description.capability,
        device.driver()
    );
    let limits = Limits::of(&device)?;
    println!(
        "at most {:.1} TFLOP/s by its data; memory {:.0} GB/s by a copy; a node of a graph {:.2} µs",
        limits.operations / 1e12,
        limits.bytes / 1e9,
        layers::seconds_of_a_node(&device)? * 1e6
    );
    let kernels = Kernels::load(&device)?;
    let mut different = 0;
    for images in asked {
        let layers = Layers::new(&device, &kernels, &network, images, limits)?;
        different += layers.time_all()?;
    }
    assert_eq!(different, 0, "tiles differ in their bits");
    println!("all tiles have the same bits");
    Ok(())
}

use std::process::ExitCode;

use chaos::worker::ChaosWorker;

fn main() -> ExitCode {
    service_kit::app::main::<ChaosWorker>()
}

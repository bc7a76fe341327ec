use std::process::ExitCode;

use healthcore_publisher::HealthcorePublisher;

fn main() -> ExitCode {
    service_kit::app::main::<HealthcorePublisher>()
}

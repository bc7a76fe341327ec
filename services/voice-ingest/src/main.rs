use std::process::ExitCode;

use voice_ingest::VoiceIngest;

fn main() -> ExitCode {
    service_kit::app::main::<VoiceIngest>()
}

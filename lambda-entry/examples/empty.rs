//! The least that a Lambda function over `lambda_http` can be: what `benches/cold_start.rs` measures against.

use lambda_http::{Body, Error, Response, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(async |_| Ok::<_, Error>(Response::new(Body::Empty)))).await
}

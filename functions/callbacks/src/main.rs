//! Wires the callbacks: see `http`, `queue` and `report`.

use callbacks::http::routes;
use callbacks::queue::reports;
use callbacks::report::Desk;
use lambda_runtime::Error;
use platform::config::Variable;
use platform::startup::start;
use platform::triggers::serve;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (_, hub) = start(&[Variable::Table, Variable::PartnersTable, Variable::Bucket, Variable::KeyId]);
    let desk = &Desk::new(hub);
    serve(routes(desk.clone()), |event, deadline| reports(desk, event, deadline)).await
}

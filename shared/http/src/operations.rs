//! Routes from the declarations of operations ([`protocol::operations`]): a handler states neither its path nor its
//! method nor the scope it requires.

use axum::handler::Handler;
use axum::routing::{MethodFilter, on};
use axum::{Extension, Router};
use protocol::operations::operation::{Method, Operation};

/// Adds declared operations to a router.
pub trait OperationRouter<S> {
    /// Serves the operation with this handler, at the operation's method and path.
    ///
    /// [`Authenticated`](crate::authentication::Authenticated) in the handler requires the operation's scope.
    #[must_use]
    fn operation<T, H>(self, operation: &'static Operation, handler: H) -> Self
    where
        T: 'static,
        H: Handler<T, S>;
}

impl<S: Clone + Send + Sync + 'static> OperationRouter<S> for Router<S> {
    fn operation<T, H>(self, operation: &'static Operation, handler: H) -> Self
    where
        T: 'static,
        H: Handler<T, S>,
    {
        let method = match operation.method {
            Method::Get => MethodFilter::GET,
            Method::Post => MethodFilter::POST,
            Method::Patch => MethodFilter::PATCH,
            Method::Delete => MethodFilter::DELETE,
        };
        self.route(operation.path, on(method, handler).layer(Extension(operation)))
    }
}

//! The HTTP operations of the hub, each declared once.
//!
//! From a declaration come the route and the scope that a function enforces (`http-kit`, module `operations`), the
//! operation in the published description (`contracts::app`) and what the tests expect of the template's routes.

pub mod agencies;
pub mod applications;
pub mod catalogue;
pub mod documents;
pub mod operation;
pub mod subscriptions;

use operation::Operation;

/// Every operation, for app backends and for agencies.
pub fn all() -> impl Iterator<Item = &'static Operation> {
    [
        catalogue::OPERATIONS,
        applications::OPERATIONS,
        documents::OPERATIONS,
        subscriptions::OPERATIONS,
        agencies::OPERATIONS,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// The paths of the operations for app backends, as `utoipa` describes them.
#[cfg(feature = "schema")]
pub(crate) fn described() -> utoipa::openapi::OpenApi {
    use utoipa::OpenApi as _;

    let mut described = catalogue::described::Described::openapi();
    described.merge(applications::described::Described::openapi());
    described.merge(documents::described::Described::openapi());
    described.merge(subscriptions::described::Described::openapi());
    described
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_operation_has_its_own_id_and_its_own_method_and_path() {
        let ids: BTreeSet<&str> = all().map(|operation| operation.id).collect();
        let routes: BTreeSet<_> = all().map(|operation| (operation.path, operation.method)).collect();
        assert_eq!((ids.len(), routes.len()), (all().count(), all().count()));
    }
}

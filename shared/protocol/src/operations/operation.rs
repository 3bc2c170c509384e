//! The declaration of an HTTP operation, and the macro that reads declarations.

use std::fmt;

/// One HTTP operation of the hub.
#[derive(Debug, PartialEq, Eq)]
pub struct Operation {
    /// The operation's id in the published description.
    pub id: &'static str,
    /// The method.
    pub method: Method,
    /// The path, with its parameters in braces.
    pub path: &'static str,
    /// The function that serves the operation.
    pub function: Function,
    /// Credentials that the operation requires.
    pub access: Access,
    /// Whether the caller must send an `Idempotency-Key`.
    pub idempotent: bool,
}

/// Method of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "each variant is the method of its name")]
pub enum Method {
    Get,
    Post,
    Patch,
    Delete,
}

/// Function that serves an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "each variant is the function of its name")]
pub enum Function {
    Intake,
    Subscriptions,
    Documents,
    Reports,
}

impl Function {
    /// Logical name of the function in the CloudFormation template.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Function::Intake => "Intake",
            Function::Subscriptions => "Subscriptions",
            Function::Documents => "Documents",
            Function::Reports => "Reports",
        }
    }
}

/// Credentials that an operation requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// No credentials.
    Open,
    /// An access token of an app backend, with this scope if the operation names one.
    Token(Option<Scope>),
    /// A request body that is signed with an agency's key.
    Signed,
}

/// A scope of an access token, as its claim `scope` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Reads the tenant's applications.
    ApplicationsRead,
    /// Creates and changes the tenant's applications.
    ApplicationsWrite,
    /// Manages the tenant's callback subscriptions.
    SubscriptionsWrite,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Scope; 3] =
        [Scope::ApplicationsRead, Scope::ApplicationsWrite, Scope::SubscriptionsWrite];

    /// The scope as the claim writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Scope::ApplicationsRead => "applications:read",
            Scope::ApplicationsWrite => "applications:write",
            Scope::SubscriptionsWrite => "subscriptions:write",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Declares the operations of one tag.
///
/// A declaration is `NAME = "id" method "/path" Function access idempotent { description }`. `access` is `open`,
/// `token` or `token(Scope)`; `idempotent` is present when the operation requires an `Idempotency-Key`. The doc comment
/// is summary and description. The braces hold the other arguments of `utoipa::path`: parameters, bodies, responses.
/// They compile under the feature `schema` only, so the functions do not carry them.
macro_rules! operations {
    (
        tag = $tag:tt;
        $(
            $(#[doc = $doc:tt])+
            $name:ident = $id:tt $method:ident $path:tt $function:ident
            $access:ident $(($scope:ident))? $($idempotent:ident)? { $($description:tt)* }
        )+
    ) => {
        $(
            $(#[doc = $doc])+
            pub const $name: $crate::operations::operation::Operation =
                $crate::operations::operation::Operation {
                    id: $id,
                    method: $crate::operations::operation::operations!(@method $method),
                    path: $path,
                    function: $crate::operations::operation::Function::$function,
                    access: $crate::operations::operation::operations!(@access $access $($scope)?),
                    idempotent: $crate::operations::operation::operations!(@idempotent $($idempotent)?),
                };
        )+

        /// The operations of this module.
        pub const OPERATIONS: &[&$crate::operations::operation::Operation] = &[$(&$name),+];

        #[cfg(feature = "schema")]
        #[allow(dead_code, non_snake_case, reason = "utoipa describes functions; these are never called")]
        pub(crate) mod described {
            use super::*;

            $(
                $(#[doc = $doc])+
                #[utoipa::path($method, path = $path, operation_id = $id, tag = $tag, $($description)*)]
                pub(crate) fn $name() {}
            )+

            #[derive(utoipa::OpenApi)]
            #[openapi(paths($($name),+))]
            pub(crate) struct Described;
        }
    };
    (@method get) => { $crate::operations::operation::Method::Get };
    (@method post) => { $crate::operations::operation::Method::Post };
    (@method patch) => { $crate::operations::operation::Method::Patch };
    (@method delete) => { $crate::operations::operation::Method::Delete };
    (@access open) => { $crate::operations::operation::Access::Open };
    (@access token) => { $crate::operations::operation::Access::Token(None) };
    (@access token $scope:ident) => {
        $crate::operations::operation::Access::Token(Some($crate::operations::operation::Scope::$scope))
    };
    (@idempotent) => { false };
    (@idempotent idempotent) => { true };
}

pub(crate) use operations;

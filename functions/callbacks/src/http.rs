//! `POST /v1/reports`: a compact JWS in, a receipt or a problem out.

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::routing::post;
use axum::{Json, Router};
use http::header::CONTENT_TYPE;
use platform::edge::edge;
use platform::hub::Hub;
use platform::problem::{Code, Problem};
use protocol::jose::JoseError;
use protocol::report::Receipt;

use crate::report::{Desk, REPORT_BYTES, ReportError};

/// The routes.
pub fn routes<H: Hub>(desk: Desk<H>) -> Router {
    edge(Router::new().route("/v1/reports", post(report::<H>))).with_state(desk)
}

async fn report<H: Hub>(State(desk): State<Desk<H>>, request: Request) -> Result<Json<Receipt>, Problem> {
    let jws = signed_body(request).await?;
    Ok(Json(desk.take(&jws).await?))
}

/// The body of a request that is one signed object.
async fn signed_body(request: Request) -> Result<String, Problem> {
    let (parts, body): (_, Body) = request.into_parts();
    let given = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if given.split(';').next().is_none_or(|media| !media.trim().eq_ignore_ascii_case("application/jose")) {
        return Err(Problem::new(Code::UnsupportedMediaType));
    }
    let bytes = to_bytes(body, REPORT_BYTES).await.map_err(|_| Problem::too_large(REPORT_BYTES))?;
    let text = String::from_utf8(bytes.to_vec()).map_err(|_| Problem::new(Code::MalformedSignature))?;
    Ok(text.trim().to_owned())
}

impl From<ReportError> for Problem {
    fn from(error: ReportError) -> Self {
        match error {
            ReportError::Jose(JoseError::Malformed | JoseError::Header | JoseError::Payload) => {
                Problem::new(Code::MalformedSignature)
            }
            ReportError::Jose(JoseError::Forged | JoseError::UnknownKey | JoseError::Key) => {
                Problem::new(Code::Unauthorized)
            }
            // A key of one agency under the name of another: nothing is said about the application.
            ReportError::OtherAgency => Problem::not_found(),
            ReportError::Apply(error) => error.into(),
            ReportError::Documents(error) => error.into(),
            ReportError::Fingerprint => Problem::new(Code::Internal),
        }
    }
}

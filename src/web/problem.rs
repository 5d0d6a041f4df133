//! Errors of the API: problem details (RFC 9457) with the field and the cure in `detail`.

use crate::relay::{
    DeskFault, ErasureFault, MerchantFault, OrderFault, RelayFault, SearchFault, WebhookFault,
};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// An error answer.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    title: &'static str,
    detail: String,
    /// Where in the query it is: the first octet, the one after the last, and the nearest right word.
    at: Option<(usize, usize, Option<&'static str>)>,
    /// In how many seconds the same may be tried again, where that is known.
    again_in: Option<u64>,
}

impl Problem {
    pub fn new(status: StatusCode, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, title, detail: detail.into(), at: None, again_in: None }
    }

    /// The same, to be tried again in so many seconds.
    pub fn again_in(self, seconds: u64) -> Self {
        Self { again_in: Some(seconds.max(1)), ..self }
    }

    /// Its status and its document.
    pub fn told_json(&self) -> (StatusCode, serde_json::Value) {
        let mut body = serde_json::json!({
            "type": "about:blank",
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if let (Some((start, end, nearest)), Some(members)) = (self.at, body.as_object_mut()) {
            members.insert(
                "query".into(),
                serde_json::json!({ "from": start, "until": end, "nearest": nearest }),
            );
        }
        (self.status, body)
    }

    /// What a test looks at.
    #[cfg(test)]
    pub fn told(&self) -> (u16, String) {
        (self.status.as_u16(), self.detail.clone())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (_, body) = self.told_json();
        let mut response = (self.status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.again_in {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<RelayFault> for Problem {
    /// A fault is reported here, where it becomes an answer, and nowhere else.
    fn from(fault: RelayFault) -> Self {
        tracing::error!(event = "fault", %fault, "an API request failed on our side");
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Temporary fault",
            "a fault on our side; try the same again later",
        )
    }
}

impl From<MerchantFault> for Problem {
    fn from(fault: MerchantFault) -> Self {
        match fault {
            MerchantFault::Fault(fault) => fault.into(),
            MerchantFault::Exists => Self::new(StatusCode::CONFLICT, "The store exists", fault.to_string()),
            MerchantFault::Memory => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "Temporary fault", fault.to_string())
            }
            fault => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "The request breaks a rule", fault.to_string())
            }
        }
    }
}

impl From<OrderFault> for Problem {
    fn from(fault: OrderFault) -> Self {
        match fault {
            OrderFault::Fault(fault) => fault.into(),
            OrderFault::NoStore | OrderFault::NoOrder => {
                Self::new(StatusCode::NOT_FOUND, "There is no such thing", fault.to_string())
            }
            OrderFault::Left => Self::new(StatusCode::CONFLICT, "The store has left", fault.to_string()),
            OrderFault::OtherCustomer | OrderFault::Closed | OrderFault::Moved => {
                Self::new(StatusCode::CONFLICT, "The order is open otherwise", fault.to_string())
            }
            OrderFault::Apart => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "Not by this process", fault.to_string())
            }
            OrderFault::Destroyed => {
                Self::new(StatusCode::CONFLICT, "The order is destroyed", fault.to_string())
            }
            fault => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "The request breaks a rule", fault.to_string())
            }
        }
    }
}

impl From<WebhookFault> for Problem {
    fn from(fault: WebhookFault) -> Self {
        let text = fault.to_string();
        match fault {
            WebhookFault::Fault(fault) => fault.into(),
            WebhookFault::NotThere => Self::new(StatusCode::NOT_FOUND, "There is no such thing", text),
            WebhookFault::TooMany => Self::new(StatusCode::CONFLICT, "There are enough", text),
            WebhookFault::Url | WebhookFault::Host | WebhookFault::Overlap => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "The request breaks a rule", text)
            }
        }
    }
}

impl From<ErasureFault> for Problem {
    fn from(fault: ErasureFault) -> Self {
        let text = fault.to_string();
        match fault {
            ErasureFault::Fault(fault) => fault.into(),
            ErasureFault::Nobody => Self::new(StatusCode::NOT_FOUND, "There is no such thing", text),
            ErasureFault::Held(_) | ErasureFault::OpenOrders(_) => {
                Self::new(StatusCode::CONFLICT, "It can't be erased now", text)
            }
            ErasureFault::Apart => Self::new(StatusCode::SERVICE_UNAVAILABLE, "Not by this process", text),
            ErasureFault::Customer => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "The request breaks a rule", text)
            }
        }
    }
}

impl From<SearchFault> for Problem {
    fn from(fault: SearchFault) -> Self {
        let text = fault.to_string();
        match fault {
            SearchFault::Fault(fault) => fault.into(),
            SearchFault::Desk(fault) => fault.into(),
            SearchFault::NoStore => Self::new(StatusCode::NOT_FOUND, "There is no such thing", text),
            SearchFault::Query(problem) => Self {
                at: Some((problem.span.start, problem.span.end, problem.nearest)),
                ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "The query can't be answered", text)
            },
            SearchFault::TooManyBars => Self::new(StatusCode::BAD_REQUEST, "Too much at once", text),
            SearchFault::Cursor => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "The request breaks a rule", text)
            }
        }
    }
}

impl From<DeskFault> for Problem {
    fn from(fault: DeskFault) -> Self {
        match fault {
            DeskFault::Fault(fault) => fault.into(),
            DeskFault::Erasure(fault) => fault.into(),
            DeskFault::Order(fault) => fault.into(),
            DeskFault::Elsewhere(_) => Self::new(StatusCode::FORBIDDEN, "Not from there", fault.to_string()),
            DeskFault::Limited => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "Enough for one day", fault.to_string())
            }
            fault => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "The request breaks a rule", fault.to_string())
            }
        }
    }
}

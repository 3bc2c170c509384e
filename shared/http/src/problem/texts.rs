//! Texts of problems and of wrong fields, in Chinese and English.

use http::StatusCode;

use super::Language;
use crate::fields::Accepted;

/// A text in both languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text {
    /// Chinese.
    pub zh: &'static str,
    /// English.
    pub en: &'static str,
}

impl Text {
    /// The text in this language.
    #[must_use]
    pub fn of(self, language: Language) -> &'static str {
        match language {
            Language::Chinese => self.zh,
            Language::English => self.en,
        }
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])+ $code:ident = $name:literal, $status:ident, $zh:literal, $en:literal;)+) => {
        /// A kind of problem. Its name is the end of the problem's `type` and never changes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[$doc])+ $code,)+
        }

        impl Code {
            /// Every kind.
            pub const ALL: &[Code] = &[$(Code::$code),+];

            /// Stable name, for example `not_found`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Code::$code => $name,)+ }
            }

            /// HTTP status of the answer.
            #[must_use]
            pub fn status(self) -> StatusCode {
                match self { $(Code::$code => StatusCode::$status,)+ }
            }

            /// Title of the problem, in both languages.
            #[must_use]
            pub fn title(self) -> Text {
                match self { $(Code::$code => Text { zh: $zh, en: $en },)+ }
            }
        }
    };
}

codes! {
    /// The request is malformed, and no other kind says how.
    BadRequest = "bad_request", BAD_REQUEST,
        "请求无法识别", "The request is not understood";
    /// The body is not JSON.
    MalformedJson = "malformed_json", BAD_REQUEST,
        "正文不是有效的 JSON", "The body is not valid JSON";
    /// The body is not a signed object of the expected kind.
    MalformedSignature = "malformed_signature", BAD_REQUEST,
        "正文不是有效的签名数据", "The body is not a valid signed object";
    /// The header `Idempotency-Key` is missing.
    IdempotencyKeyRequired = "idempotency_key_required", BAD_REQUEST,
        "缺少 Idempotency-Key 请求头", "The header Idempotency-Key is missing";
    /// The header `Idempotency-Key` is malformed or repeated.
    IdempotencyKeyInvalid = "idempotency_key_invalid", BAD_REQUEST,
        "Idempotency-Key 须为 1 至 128 个可见 ASCII 字符，且只出现一次",
        "Idempotency-Key is one header of 1 to 128 visible ASCII characters";
    /// The access token or signature is missing or invalid.
    Unauthorized = "unauthorized", UNAUTHORIZED,
        "缺少有效的访问令牌或签名", "There is no valid access token or signature";
    /// The signing key is not registered, or was revoked.
    UnknownKey = "unknown_key", UNAUTHORIZED,
        "签名密钥未登记或已吊销", "The signing key is not registered, or was revoked";
    /// The signature does not verify.
    BadSignature = "bad_signature", UNAUTHORIZED,
        "签名验证失败", "The signature does not verify";
    /// The request was signed too long ago, or ahead of time.
    SignatureExpired = "signature_expired", UNAUTHORIZED,
        "签名时间超出允许范围，请重新签名", "The request was signed too long ago or ahead of time; sign it again";
    /// The token lacks the operation's scope.
    InsufficientScope = "insufficient_scope", FORBIDDEN,
        "访问令牌的权限不足", "The access token lacks the scope that this operation requires";
    /// The object does not exist, or it belongs to another party.
    NotFound = "not_found", NOT_FOUND,
        "该地址或编号不存在，或不属于调用方",
        "Nothing exists at this address or under this id, or it belongs to another party";
    /// The path does not support the method.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED,
        "该地址不支持此方法", "The address does not support this method";
    /// The step is not possible at this stage.
    IllegalStep = "illegal_step", CONFLICT,
        "当前阶段不能进行此操作", "The step is not possible at the application's current stage";
    /// The agency has a leg of the application, but the open leg belongs to another agency.
    OtherLeg = "other_leg", CONFLICT,
        "当前环节由其他机关办理", "The open leg belongs to another agency";
    /// The report builds on a version that is not accepted any more.
    StaleVersion = "stale_version", CONFLICT,
        "所依据的版本已过期或不存在", "The report builds on a version that is out of date or does not exist";
    /// The application's version is not that of `If-Match`.
    PreconditionFailed = "precondition_failed", PRECONDITION_FAILED,
        "申请已变更，与 If-Match 不符", "The application has changed: its version is not that of If-Match";
    /// Required documents are missing.
    DocumentsMissing = "documents_missing", CONFLICT,
        "材料不齐", "Documents are missing";
    /// The document that was uploaded last failed verification.
    DocumentRejected = "document_rejected", CONFLICT,
        "上传的文件未通过检查", "The uploaded file was rejected";
    /// A newer version of the hub changed the application.
    IncompleteRead = "incomplete_read", SERVICE_UNAVAILABLE,
        "该申请由平台的新版本更改过，当前版本不能办理，请稍后重试",
        "A newer version of the hub changed the application: the running version cannot change it";
    /// The application's record has no room for the step. Steps that end the application are still taken.
    ApplicationFull = "application_full", CONFLICT,
        "该申请的记录已满，只能办结或撤回", "The application's record is full: only a decision or a withdrawal is taken";
    /// The application has reached one of its limits.
    BoundReached = "bound_reached", CONFLICT,
        "已达到该申请的上限", "The application has reached one of its limits";
    /// The current state does not permit the request, and no other kind says why.
    Conflict = "conflict", CONFLICT,
        "与当前状态冲突", "The request conflicts with the current state of the document";
    /// The tenant has reached its maximum number of subscriptions.
    TooManySubscriptions = "too_many_subscriptions", CONFLICT,
        "回调订阅数量已达上限", "The tenant has as many subscriptions as it may have";
    /// The body is too large.
    PayloadTooLarge = "payload_too_large", PAYLOAD_TOO_LARGE,
        "正文过大", "The body is too large";
    /// The path does not support the content type.
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE,
        "不支持此内容类型", "The address does not support this content type";
    /// Fields are wrong; the problem lists them, and says so when the list is cut.
    InvalidFields = "invalid_fields", UNPROCESSABLE_ENTITY,
        "部分字段有误", "Some fields are wrong";
    /// The idempotency key was used for another request.
    KeyReused = "key_reused", UNPROCESSABLE_ENTITY,
        "该 Idempotency-Key 或 report_id 已用于另一请求", "The Idempotency-Key or report_id was used for another request";
    /// No agency takes the application.
    NotCovered = "not_covered", UNPROCESSABLE_ENTITY,
        "暂无机关受理该组合", "No agency takes this application";
    /// The tenant has used up a rate limit.
    TooManyRequests = "too_many_requests", TOO_MANY_REQUESTS,
        "请求过于频繁", "Too many requests";
    /// A failure of the hub that no retry fixes.
    Internal = "internal", INTERNAL_SERVER_ERROR,
        "系统内部错误", "The hub has an internal error";
    /// The hub or a service behind it is overloaded; a retry may succeed.
    Throttled = "throttled", SERVICE_UNAVAILABLE,
        "系统繁忙，请稍后重试", "The service is busy; please repeat the request";
    /// A temporary failure of the hub; a retry may succeed.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE,
        "服务暂不可用，请稍后重试", "The service is not available; please repeat the request";
}

impl Code {
    /// The kind for an answer that has only a status.
    #[must_use]
    pub fn of_status(status: StatusCode) -> Code {
        match status.as_u16() {
            401 => Code::Unauthorized,
            403 => Code::InsufficientScope,
            404 => Code::NotFound,
            405 => Code::MethodNotAllowed,
            409 => Code::Conflict,
            412 => Code::PreconditionFailed,
            413 => Code::PayloadTooLarge,
            415 => Code::UnsupportedMediaType,
            422 => Code::InvalidFields,
            429 => Code::TooManyRequests,
            502..=504 => Code::Unavailable,
            400..=499 => Code::BadRequest,
            _ => Code::Internal,
        }
    }
}

/// The text for a wrong field. A code without a row gets a general text; the crates that define codes test them with
/// [`known`].
#[must_use]
pub fn field(code: &str) -> Text {
    row(code).unwrap_or(Text { zh: "不可接受", en: "The value is not acceptable." })
}

/// Every code of a wrong field, with what is said of the field.
pub fn fields() -> impl Iterator<Item = (&'static str, Text)> {
    FIELDS.iter().map(|(code, zh, en)| (*code, Text { zh, en }))
}

/// Words that a detail names at most.
const WORDS: usize = 40;

/// The end of a field's detail: what the field accepts.
#[must_use]
pub fn accepted(accepted: &Accepted, language: Language) -> String {
    match (accepted, language) {
        (Accepted::AsTheTextSays, _) => String::new(),
        (Accepted::OneOf(words), _) if words.is_empty() => String::new(),
        (Accepted::OneOf(words), language) => {
            let named = words.get(..WORDS).unwrap_or(words).join(", ");
            let more = words.len().saturating_sub(WORDS);
            match (more, language) {
                (0, Language::Chinese) => format!("，可接受：{named}"),
                (0, Language::English) => format!(" Accepted: {named}."),
                (more, Language::Chinese) => format!("，可接受：{named} 等，另有 {more} 个"),
                (more, Language::English) => format!(" Accepted: {named} and {more} more."),
            }
        }
        (Accepted::Between(from, to), Language::Chinese) => format!("，可接受：{from} 至 {to}"),
        (Accepted::Between(from, to), Language::English) => format!(" Accepted: {from} to {to}."),
    }
}

/// Whether the table has a text for this code.
#[must_use]
pub fn known(code: &str) -> bool {
    row(code).is_some()
}

fn row(code: &str) -> Option<Text> {
    FIELDS.iter().find(|row| row.0 == code).map(|(_, zh, en)| Text { zh, en })
}

/// Code, Chinese, English.
const FIELDS: &[(&str, &str, &str)] = &[
    // shape
    ("required", "必填", "Is required."),
    ("unknown_field", "未知字段", "Is not a known field."),
    ("not_text", "须为文本", "Must be a text."),
    ("not_an_object", "须为对象", "Must be an object."),
    ("not_a_list", "须为数组", "Must be a list."),
    ("not_a_number", "须为数字", "Must be a number."),
    ("not_a_boolean", "须为 true 或 false", "Must be true or false."),
    ("not_an_integer", "须为整数，不带小数点", "Must be an integer, without a decimal point."),
    ("not_one_of", "不在该字段的取值之内", "Must be one of the values of this field."),
    ("out_of_range", "超出该字段的范围", "Must lie within the bounds of this field."),
    ("too_few", "数量少于下限", "Has too few elements."),
    ("too_many", "数量多于上限", "Has too many elements."),
    ("one_needed", "须至少填写一个成员", "At least one of the members is needed."),
    ("one_selection", "须选择一种范围", "Exactly one selection is needed."),
    ("too_short", "过短", "Is too short."),
    ("too_long", "过长", "Is too long."),
    (
        "control_character",
        "须为一行，不含控制字符和改变书写方向的字符",
        "Must be one line without control characters and marks that change the writing direction.",
    ),
    (
        "invisible_character",
        "不得含不可见字符，如 U+200B",
        "Must not contain invisible characters such as U+200B.",
    ),
    (
        "undefined_character",
        "不得含 Unicode 未定义的字符或专用区字符",
        "Must not contain characters that Unicode does not define, or private-use characters.",
    ),
    ("no_letter", "须含文字或数字", "Must contain a letter or a digit."),
    ("duplicate", "重复", "Must not be given twice."),
    ("replacement_character", "含乱码字符 U+FFFD", "Must be sent as UTF-8: the text contains U+FFFD."),
    ("invalid", "不可接受", "Is not acceptable for this field."),
    ("unknown", "所指对象不存在", "Refers to an object that does not exist."),
    ("not_expected", "此情形不应填写", "Must not be given in this case."),
    (
        "too_many_files",
        "此项材料的文件数量已满",
        "The requirement takes no further file: see `files` of the service.",
    ),
    ("idempotency_key", "须为 1 至 128 个可见 ASCII 字符", "Must be 1 to 128 visible ASCII characters."),
    ("date", "须为日期，如 2026-03-02", "Must be a day such as 2026-03-02."),
    (
        "moment",
        "须为带时区的时间，例如 2026-03-02T01:00:00Z",
        "Must be a moment with an offset, such as 2026-03-02T01:00:00Z.",
    ),
    (
        "moment_plus",
        "时区偏移中的 + 在查询参数中须写作 %2B",
        "Contains a space where the offset begins: in a query, + must be written as %2B.",
    ),
    ("in_the_future", "不得晚于今天", "Must not be in the future."),
    ("in_the_past", "不得早于今天", "Must not be in the past."),
    (
        "url_malformed",
        "须为完整的地址，如 https://app.example.cn/hooks",
        "Must be a URL such as https://app.example.cn/hooks.",
    ),
    (
        "url_characters",
        "地址只能含可见 ASCII 字符：中文域名用 Punycode，其余用百分号编码",
        "Must be of visible ASCII characters: a host in Punycode, everything else percent-encoded.",
    ),
    ("url_scheme", "地址须以 https:// 开头", "Must begin with https://."),
    ("url_user", "地址不得含用户名或密码", "Must not contain a user or a password."),
    ("url_fragment", "地址不得含 # 片段", "Must not contain a fragment (#)."),
    ("url_address", "须为域名，不得为 IP 地址", "Must name a host by its name, not by an IP address."),
    (
        "url_host",
        "须为完整域名：各段 1 至 63 个字母、数字或连字符，不以连字符开头或结尾，末段以字母开头",
        "Must name a full host name: labels of 1 to 63 letters, digits and inner hyphens, the last one beginning with a letter.",
    ),
    ("url_port", "端口须为 443", "Must use port 443."),
    ("cursor", "不是本列表在此条件下的游标", "Is not a cursor of this list with these parameters."),
    (
        "capability",
        "须以小写字母开头，只含小写字母、数字和 : _ -，最多 40 字符，如 script:mongolian",
        "Must be a name of at most 40 characters of a-z, 0-9, colon, underscore and hyphen, such as script:mongolian.",
    ),
    // documents
    ("media_type", "仅支持 PDF、JPEG、PNG", "Must be application/pdf, image/jpeg or image/png."),
    ("checksum", "须为 SHA-256 的 base64", "Must be the base64 of a SHA-256."),
    ("document_missing", "该材料尚未上传", "This document is not in yet."),
    (
        "document_rejected",
        "上次上传的文件未通过检查，请重新获取链接后上传",
        "The file that was uploaded last was rejected. Get a new link and upload another file.",
    ),
    // cases and coverage
    ("case_not_of_service", "该事项没有此情形", "The service has no such case."),
    ("age_mismatch", "与申请人年龄不符", "Does not fit the applicant's age."),
    ("guardian_required", "未满十六周岁须填写监护人", "An applicant under 16 needs a guardian."),
    ("same_person", "不得与申请人相同", "Must be a person other than the applicant."),
    ("not_a_citizen", "申请人须为中国公民", "An applicant must be a mainland citizen."),
    ("too_young", "未达到该事项规定的年龄", "Has not reached the age that the service's rule states."),
    ("not_older", "须年长于另一人", "Must be older than the other person that the service's rule names."),
    ("consent_required", "须取得单独同意", "Separate consent is required."),
    ("not_offered", "该地暂无机关办理此事项", "No agency offers the service there."),
    ("incapable", "该地机关不具备所需能力", "The agency there lacks a capability that is needed."),
    (
        "same_place",
        "受理地或迁入地与户籍地属同一机关，请直接就近办理",
        "The agency of the place of household registration is responsible for this place, too; apply there directly.",
    ),
    // persons
    ("identity_number_length", "须为 18 位", "Must have 18 characters."),
    ("identity_number_not_digits", "须为数字，末位可为 X", "Must be digits; the last character may be X."),
    (
        "identity_number_province",
        "省级代码不存在",
        "Must begin with the code of a province, or with 81, 82, 83 or 9 of a residence permit.",
    ),
    ("identity_number_birth_date", "出生日期不存在", "Contains a birth date that does not exist."),
    ("identity_number_birth_date_in_future", "出生日期晚于今天", "Contains a birth date in the future."),
    (
        "identity_number_birth_date_too_early",
        "出生日期早于一百三十年前",
        "Contains a birth date more than 130 years ago.",
    ),
    ("identity_number_sequence", "顺序码无效", "Contains sequence digits that are not valid."),
    ("identity_number_check_character", "校验码不符", "Its check character does not fit."),
    ("person_name_empty", "姓名必填", "A name is required."),
    ("person_name_too_long", "姓名最多 50 字", "A name has at most 50 characters."),
    (
        "person_name_character",
        "姓名须以文字开头，只含文字、空格、间隔号、连字符、撇号和句点",
        "A name begins with a letter and has only letters, spaces, dots, hyphens, apostrophes and full stops.",
    ),
    (
        "person_name_dot",
        "间隔号须单独位于姓名的两部分之间",
        "A dot stands alone, between two parts of a name.",
    ),
    (
        "mobile_number_length",
        "须为 11 位手机号，可带 +86、空格和连字符",
        "Must have 11 digits; +86, spaces and hyphens are taken.",
    ),
    ("mobile_number_not_digits", "须为数字", "Must be digits."),
    ("mobile_number_prefix", "不是大陆手机号", "Is not a mobile number of mainland China."),
    ("address_empty", "地址必填", "An address is required."),
    ("address_too_long", "地址最多 200 字", "An address has at most 200 characters."),
    (
        "address_control_character",
        "地址须为一行，不含控制字符和改变书写方向的字符",
        "An address is one line without control characters and marks that change the writing direction.",
    ),
    // places and ids
    ("division_code_length", "须为 6 位", "Must have 6 digits."),
    ("division_code_not_digits", "须为数字", "Must be digits."),
    ("division_code_province", "省级代码不存在", "Must begin with the code of a province."),
    (
        "division_not_county",
        "须为县级区划代码",
        "Must name a county or district, not a whole province or prefecture.",
    ),
    ("division_abolished", "该区划已撤销", "Must name a current division; this division was abolished."),
    ("unknown_division", "区划代码不存在", "Must be the code of a division."),
    ("jurisdiction_length", "须为 2、4 或 6 位", "Must have 2, 4 or 6 digits."),
    ("jurisdiction_not_digits", "须为数字", "Must be digits."),
    ("jurisdiction_province", "省级代码不存在", "Must begin with the code of a province."),
    ("application_id", "不是申请编号", "Is not an application's id."),
    ("document_id", "须为 d1 至 d99", "Must be d1 to d99."),
    ("event_id", "不是事件编号", "Is not an event's id."),
    ("agency_code", "不是机关代码", "Is not an agency's code."),
    ("tenant_id", "不是租户编号", "Is not a tenant's id."),
    ("report_id", "须为 UUID", "Must be a UUID."),
    ("subscription_id", "须为 UUID", "Must be a UUID."),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use domain::division::{CurrentDivisionError as Current, DivisionCodeError, JurisdictionError};
    use domain::free_text::FreeTextError;
    use domain::identity_number::IdentityNumberError as Number;
    use domain::ids::IdError;
    use domain::person::{AddressError, MobileNumberError, PersonNameError};
    use domain::person_rule::{Condition, FormPerson};

    use super::*;

    #[test]
    fn every_problem_has_its_own_name_and_both_titles() {
        let names: BTreeSet<_> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        for code in Code::ALL {
            let Text { zh, en } = code.title();
            assert!(en.is_ascii() && !zh.is_ascii(), "{}", code.name());
            assert!(code.status().is_client_error() || code.status().is_server_error());
        }
    }

    #[test]
    fn every_field_code_has_one_row_in_both_languages() {
        let names: BTreeSet<_> = FIELDS.iter().map(|row| row.0).collect();
        assert_eq!(names.len(), FIELDS.len());
        for (code, zh, en) in FIELDS {
            assert!(en.is_ascii() && !zh.is_ascii() && en.ends_with('.'), "{code}");
        }
    }

    #[test]
    fn every_code_of_the_domain_has_a_row() {
        use FreeTextError::{Control, Empty, Invisible, NoLetter, Replacement, TooLong, Undefined};
        let texts = [Empty, TooLong, Control, Replacement, Invisible, Undefined, NoLetter];
        let codes = [
            [Number::Length, Number::NotDigits, Number::Province, Number::BirthDate]
                .map(Number::code)
                .to_vec(),
            [Number::BirthDateInFuture, Number::BirthDateTooEarly, Number::Sequence, Number::CheckCharacter]
                .map(Number::code)
                .to_vec(),
            [
                PersonNameError::Empty,
                PersonNameError::TooLong,
                PersonNameError::Character,
                PersonNameError::Dot,
            ]
            .map(PersonNameError::code)
            .to_vec(),
            [MobileNumberError::Length, MobileNumberError::NotDigits, MobileNumberError::Prefix]
                .map(MobileNumberError::code)
                .to_vec(),
            texts.map(|error| AddressError(error).code()).to_vec(),
            texts.map(FreeTextError::code).to_vec(),
            [Condition::Named, Condition::Citizen, Condition::OlderThan(FormPerson::Applicant)]
                .map(Condition::code)
                .to_vec(),
            vec![Condition::MinimumAge { men: 22, women: 20 }.code()],
            [Current::NotCounty, Current::Abolished { successor: None }, Current::Unknown]
                .map(Current::code)
                .to_vec(),
            [DivisionCodeError::Length, DivisionCodeError::NotDigits, DivisionCodeError::Province]
                .map(DivisionCodeError::code)
                .to_vec(),
            [JurisdictionError::Length, JurisdictionError::NotDigits, JurisdictionError::Province]
                .map(JurisdictionError::code)
                .to_vec(),
            [IdError::Application, IdError::Document, IdError::Event, IdError::Tenant]
                .map(IdError::code)
                .to_vec(),
            [IdError::Report, IdError::Subscription, IdError::Agency(JurisdictionError::Length)]
                .map(IdError::code)
                .to_vec(),
        ];
        for code in codes.concat() {
            assert!(known(code), "{code}");
        }
        assert!(known("duplicate") && known("replacement_character"));
        assert!(!known("no such code") && !field("no such code").en.is_empty());
    }
}

//! The members of each object, and the `fields` parameter that chooses among them.

/// An object of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Model {
    Account,
    AccountingPeriod,
    Company,
    Currency,
    Department,
    Document,
    Employee,
    Customer,
    LoggedInUser,
    Posting,
    Project,
    Supplier,
    VatType,
    Voucher,
    VoucherType,
}

/// What a member holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Integer,
    Number,
    Flag,
    Day,
    One(Model),
    Many(Model),
    /// A member that the simulation does not fill: null or absent.
    Other,
}

use Kind::{Day, Flag, Integer, Many, Number, One, Other, Text};

type Members = &'static [(&'static str, Kind)];

impl Model {
    /// The name that messages give it.
    pub fn name(self) -> &'static str {
        match self {
            Model::Account => "AccountDTO",
            Model::AccountingPeriod => "AccountingPeriodDTO",
            Model::Company => "CompanyDTO",
            Model::Currency => "CurrencyDTO",
            Model::Department => "DepartmentDTO",
            Model::Document => "DocumentDTO",
            Model::Employee => "EmployeeDTO",
            Model::Customer => "CustomerDTO",
            Model::LoggedInUser => "LoggedInUserInfoDTO",
            Model::Posting => "PostingDTO",
            Model::Project => "ProjectDTO",
            Model::Supplier => "SupplierDTO",
            Model::VatType => "VatTypeDTO",
            Model::Voucher => "VoucherDTO",
            Model::VoucherType => "VoucherTypeDTO",
        }
    }

    /// The path of one object, for its `url`.
    pub fn path(self) -> &'static str {
        match self {
            Model::Account => "ledger/account",
            Model::AccountingPeriod => "ledger/accountingPeriod",
            Model::Company => "company",
            Model::Currency => "currency",
            Model::Department => "department",
            Model::Document => "document",
            Model::Employee | Model::LoggedInUser => "employee",
            Model::Customer => "customer",
            Model::Posting => "ledger/posting",
            Model::Project => "project",
            Model::Supplier => "supplier",
            Model::VatType => "ledger/vatType",
            Model::Voucher => "ledger/voucher",
            Model::VoucherType => "ledger/voucherType",
        }
    }

    /// Its members beside `id`, `version`, `url` and `changes`.
    pub fn members(self) -> Members {
        match self {
            Model::Account => ACCOUNT,
            Model::AccountingPeriod => PERIOD,
            Model::Currency => CURRENCY,
            Model::Department => DEPARTMENT,
            Model::Document => DOCUMENT,
            Model::LoggedInUser => USER,
            Model::Posting => POSTING,
            Model::Project => PROJECT,
            Model::VatType => VAT_TYPE,
            Model::Voucher => VOUCHER,
            Model::VoucherType | Model::Company | Model::Customer | Model::Supplier | Model::Employee => {
                NAMED
            }
        }
    }

    /// What a member holds; `None` if there is no such member.
    pub fn member(self, name: &str) -> Option<Kind> {
        match name {
            "id" | "version" if self != Model::LoggedInUser => return Some(Integer),
            "url" if self != Model::LoggedInUser => return Some(Text),
            "changes" if self != Model::LoggedInUser => return Some(Other),
            _ => {}
        }
        self.members().iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
    }
}

const NAMED: Members = &[("name", Text), ("displayName", Text)];
const USER: Members = &[
    ("employeeId", Integer),
    ("actualEmployeeId", Integer),
    ("employee", One(Model::Employee)),
    ("companyId", Integer),
    ("company", One(Model::Company)),
    ("language", Text),
    ("loggedInWithConnect", Flag),
    ("employeeIsProxy", Flag),
];
const ACCOUNT: Members = &[
    ("number", Integer),
    ("numberPretty", Text),
    ("name", Text),
    ("description", Text),
    ("type", Text),
    ("legalVatTypes", Many(Model::VatType)),
    ("ledgerType", Text),
    ("balanceGroup", Text),
    ("vatType", One(Model::VatType)),
    ("vatLocked", Flag),
    ("currency", One(Model::Currency)),
    ("isCloseable", Flag),
    ("isApplicableForSupplierInvoice", Flag),
    ("requireReconciliation", Flag),
    ("isInactive", Flag),
    ("isBankAccount", Flag),
    ("isInvoiceAccount", Flag),
    ("bankAccountNumber", Text),
    ("bankAccountCountry", Other),
    ("bankName", Text),
    ("bankAccountIBAN", Text),
    ("bankAccountSWIFT", Text),
    ("saftCode", Text),
    ("groupingCode", Text),
    ("displayName", Text),
    ("requiresDepartment", Flag),
    ("requiresProject", Flag),
    ("invoicingDepartment", One(Model::Department)),
    ("isPostingsExist", Flag),
    ("quantityType1", Other),
    ("quantityType2", Other),
    ("department", One(Model::Department)),
];
const PERIOD: Members = &[
    ("name", Text),
    ("number", Integer),
    ("start", Day),
    ("end", Day),
    ("isClosed", Flag),
    ("checkLedgerLogEmployeeName", Text),
    ("checkLedgerLogEmployeePictureId", Integer),
    ("checkLedgerLogTime", Text),
    ("checkWageLogEmployeeName", Text),
    ("checkWageLogEmployeePictureId", Integer),
    ("checkWageLogTime", Text),
];
const CURRENCY: Members = &[
    ("code", Text),
    ("description", Text),
    ("factor", Integer),
    ("displayName", Text),
    ("isDisabled", Flag),
];
const DEPARTMENT: Members = &[
    ("name", Text),
    ("departmentNumber", Text),
    ("departmentManager", One(Model::Employee)),
    ("displayName", Text),
    ("isInactive", Flag),
    ("businessActivityTypeId", Integer),
];
const PROJECT: Members = &[
    ("name", Text),
    ("number", Text),
    ("displayName", Text),
    ("description", Text),
    ("department", One(Model::Department)),
    ("startDate", Day),
    ("endDate", Day),
    ("customer", One(Model::Customer)),
    ("isClosed", Flag),
    ("isInternal", Flag),
    ("isOffer", Flag),
    ("vatType", One(Model::VatType)),
    ("currency", One(Model::Currency)),
];
const DOCUMENT: Members = &[("fileName", Text), ("size", Integer), ("mimeType", Text)];
const VAT_TYPE: Members = &[
    ("name", Text),
    ("number", Text),
    ("displayName", Text),
    ("percentage", Number),
    ("deductionPercentage", Number),
    ("parentType", One(Model::VatType)),
];
const VOUCHER: Members = &[
    ("date", Day),
    ("number", Integer),
    ("tempNumber", Integer),
    ("year", Integer),
    ("description", Text),
    ("voucherType", One(Model::VoucherType)),
    ("reverseVoucher", One(Model::Voucher)),
    ("postings", Many(Model::Posting)),
    ("document", One(Model::Document)),
    ("attachment", One(Model::Document)),
    ("externalVoucherNumber", Text),
    ("ediDocument", One(Model::Document)),
    ("supplierVoucherType", Text),
    ("wasAutoMatched", Flag),
    ("vendorInvoiceNumber", Text),
    ("displayName", Text),
    ("numberAsString", Text),
];
const POSTING: Members = &[
    ("voucher", One(Model::Voucher)),
    ("date", Day),
    ("description", Text),
    ("account", One(Model::Account)),
    ("amortizationAccount", One(Model::Account)),
    ("amortizationStartDate", Day),
    ("amortizationEndDate", Day),
    ("customer", One(Model::Customer)),
    ("supplier", One(Model::Supplier)),
    ("employee", One(Model::Employee)),
    ("project", One(Model::Project)),
    ("product", Other),
    ("department", One(Model::Department)),
    ("vatType", One(Model::VatType)),
    ("amount", Number),
    ("amountCurrency", Number),
    ("amountGross", Number),
    ("amountGrossCurrency", Number),
    ("currency", One(Model::Currency)),
    ("closeGroup", Other),
    ("invoiceNumber", Text),
    ("termOfPayment", Day),
    ("row", Integer),
    ("type", Text),
    ("externalRef", Text),
    ("systemGenerated", Flag),
    ("taxTransactionType", Text),
    ("taxTransactionTypeId", Integer),
    ("matched", Flag),
    ("quantityAmount1", Number),
    ("quantityType1", Other),
    ("quantityAmount2", Number),
    ("quantityType2", Other),
    ("isVatReadonly", Flag),
    ("isAmountVatClosed", Flag),
    ("postingRuleId", Integer),
    ("freeAccountingDimension1", Other),
    ("freeAccountingDimension2", Other),
    ("freeAccountingDimension3", Other),
    ("asset", Other),
];

/// The members that an answer shows.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    /// Every member, references by id alone.
    pub all: bool,
    /// Members by name, and what is shown of an object within.
    pub named: Vec<(String, Option<Fields>)>,
}

impl Fields {
    /// What is shown without the parameter.
    pub fn all() -> Fields {
        Fields { all: true, named: Vec::new() }
    }

    /// Everything, with the postings' members.
    pub fn with_postings() -> Fields {
        Fields { all: true, named: vec![("postings".to_owned(), Some(Fields::all()))] }
    }

    /// Reads the parameter for `model`; the error is the message that the real one gives.
    pub fn parse(text: &str, model: Model) -> Result<Fields, String> {
        let mut rest = text;
        let fields = Fields::members(&mut rest, model)?;
        if rest.is_empty() { Ok(fields) } else { Err(format!("Illegal fields filter: {text}")) }
    }

    fn members(rest: &mut &str, model: Model) -> Result<Fields, String> {
        let mut fields = Fields::default();
        loop {
            let end = rest.find([',', '(', ')']).unwrap_or(rest.len());
            let (name, after) = rest.split_at(end);
            let name = name.trim();
            *rest = after;
            if name == "*" {
                fields.all = true;
            } else if !name.is_empty() {
                let kind = model.member(name).ok_or_else(|| {
                    format!(
                        "Illegal field in fields filter: {name}. {name} does not match a field in the model: {}",
                        model.name()
                    )
                })?;
                let mut within = None;
                if let Some(inner) = rest.strip_prefix('(') {
                    let (One(of) | Many(of)) = kind else {
                        return Err(format!("Illegal field in fields filter: {name} has no members"));
                    };
                    *rest = inner;
                    within = Some(Fields::members(rest, of)?);
                    *rest =
                        rest.strip_prefix(')').ok_or("Illegal fields filter: a parenthesis is missing")?;
                }
                fields.named.push((name.to_owned(), within));
            }
            match rest.strip_prefix(',') {
                Some(after) => *rest = after,
                None => return Ok(fields),
            }
        }
    }

    /// Whether a member is shown, and what of an object within it.
    pub fn shows(&self, name: &str) -> Option<Option<&Fields>> {
        match self.named.iter().find(|(known, _)| known == name) {
            Some((_, within)) => Some(within.as_ref()),
            None => self.all.then_some(None),
        }
    }
}

//! The document of a voucher: everything that an auditor asks for, made again from the archive whenever it is needed.

use document::{Document, Facts, Row};
use edge::config::Config;
use edge::{Error, World};
use ledger::Voucher;
use store::SettlementItem;

/// The PDF of a voucher of a settlement. The same archive, configuration and version give the same bytes.
///
/// # Errors
///
/// If the archive does not answer or is damaged.
pub async fn pdf(
    world: &World,
    config: &Config,
    version: &str,
    item: &SettlementItem,
    voucher: &Voucher,
) -> Result<Vec<u8>, Error> {
    let mut document = Document::default();
    intake::compare::each_line(world, &item.source, |line| {
        document.row(&Row {
            id: &line.id,
            on: line.on,
            kind: line.kind,
            reference: &line.reference,
            gross: line.gross,
            fee: line.fee,
            net: line.net(),
        });
        Ok(())
    })
    .await?;
    let provider = providers::find(&item.name.provider);
    Ok(document.finish(&Facts {
        company: &config.company.name,
        org_no: config.company.org_no.as_deref(),
        provider: provider.map_or(item.name.provider.as_str(), |provider| provider.legal_name()),
        account: &item.head.account,
        payout: &item.name.id,
        payout_on: item.head.payout_on,
        voucher,
        vat: &[],
        rate: None,
        config_version: version,
        code_version: env!("CARGO_PKG_VERSION"),
        source_hash: &item.source.rows_hash,
        source_place: &item.source.manifest,
    }))
}

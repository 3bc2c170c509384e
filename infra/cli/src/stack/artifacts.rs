//! The bucket of a stack's zips and templates.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Read as _};

use anyhow::{Context as _, Result};
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use uuid::Uuid;
use zip::ZipArchive;

use super::{Cloud, Deployment};
use crate::aws::call_error;
use crate::functions::{FUNCTIONS, Package};
use crate::terminal::Terminal;

/// Bound on a text file of a package, in bytes.
const LARGEST_FILE: u64 = 1024 * 1024;

impl Cloud {
    /// Creates the bucket when it is missing.
    ///
    /// # Errors
    /// The bucket's name belongs to another account, or a call to AWS fails.
    pub async fn ensure_bucket(&self, bucket: &str) -> Result<()> {
        if self.s3.head_bucket().bucket(bucket).send().await.is_ok() {
            return Ok(());
        }
        let place = (self.region != "us-east-1").then(|| {
            CreateBucketConfiguration::builder()
                .location_constraint(BucketLocationConstraint::from(self.region.as_str()))
                .build()
        });
        let made = self.s3.create_bucket().bucket(bucket).set_create_bucket_configuration(place).send().await;
        made.map_err(|error| call_error(&format!("making the bucket {bucket}"), error))?;
        Ok(())
    }

    /// Uploads the zips. Skips existing objects: the key contains a hash of the zips, so their content is the same.
    ///
    /// # Errors
    /// A zip cannot be read, or AWS refuses it.
    pub async fn upload(&self, bucket: &str, package: &Package, terminal: &Terminal) -> Result<()> {
        let step = terminal.step("Uploading the functions");
        for (name, path) in &package.zips {
            let key = format!("{}/{name}.zip", package.prefix);
            step.at(name);
            if self.s3.head_object().bucket(bucket).key(&key).send().await.is_ok() {
                continue;
            }
            let bytes = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
            let put = self.s3.put_object().bucket(bucket).key(&key).body(bytes.into()).send().await;
            put.map_err(|error| call_error(&format!("uploading {key}"), error))?;
        }
        Ok(())
    }

    /// The text files of these names in the package that a stack runs, named by the stack's parameters. A package of an
    /// earlier version may lack a file.
    ///
    /// # Errors
    /// The package is no longer in the bucket, or is damaged.
    pub async fn package_files(
        &self,
        parameters: &BTreeMap<String, String>,
        names: &[&'static str],
    ) -> Result<BTreeMap<&'static str, String>> {
        let parameter =
            |name: &str| parameters.get(name).with_context(|| format!("the stack has no parameter {name}"));
        let (bucket, prefix) = (parameter("ArtifactsBucket")?, parameter("ArtifactsPrefix")?);
        let key = format!("{prefix}/{}.zip", FUNCTIONS[0]);
        let doing = || format!("reading the deployed package {key} in the bucket {bucket}");
        let found = self.s3.get_object().bucket(bucket).key(&key).send().await;
        let body = found.map_err(|error| call_error(&doing(), error))?.body.collect().await;
        let mut package = ZipArchive::new(Cursor::new(body.with_context(doing)?.into_bytes()))?;
        let mut files = BTreeMap::new();
        for name in names {
            let Ok(file) = package.by_name(name) else { continue };
            let mut text = String::new();
            file.take(LARGEST_FILE).read_to_string(&mut text).with_context(doing)?;
            files.insert(*name, text);
        }
        Ok(files)
    }

    /// Uploads the template and returns the object's URL for CloudFormation.
    pub(super) async fn template_url(&self, deployment: &Deployment<'_>) -> Result<String> {
        // A random name: no later deployment overwrites the template of this change set.
        let name = Uuid::new_v4().simple();
        let key = format!("templates/{}-{name}.yaml", deployment.stack);
        let body = deployment.template.as_bytes().to_vec().into();
        let put = self.s3.put_object().bucket(deployment.bucket).key(&key).body(body).send().await;
        put.map_err(|error| call_error("uploading the template", error))?;
        Ok(match &self.endpoint {
            Some(endpoint) => format!("{endpoint}/{}/{key}", deployment.bucket),
            None => {
                let domain =
                    if self.region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
                format!("https://{}.s3.{}.{domain}/{key}", deployment.bucket, self.region)
            }
        })
    }
}

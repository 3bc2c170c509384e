//! The bucket of a stack's zips and templates.

use std::fs;

use anyhow::{Context as _, Result};
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use uuid::Uuid;

use super::{Cloud, Deployment};
use crate::aws::call_error;
use crate::functions::Package;
use crate::terminal::Terminal;

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

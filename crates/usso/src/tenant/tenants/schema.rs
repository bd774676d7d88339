//! What `/tenants` accepts and answers.

use crate::tenant::tenants::model::Tenant;
use kernel::{Stored, Timestamp};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use std::marker::PhantomData;
use utoipa::ToSchema;

/// The first administrator of a new tenant (ruling D22).
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct CreateTenantAdmin {
    /// E-mail address, phone number or user name.
    pub identifier: String,
    /// Display name.
    pub name: Option<String>,
    /// The password; needed until invitations can be delivered.
    #[schema(value_type = Option<String>, format = Password)]
    pub password: Option<secrecy::SecretString>,
}

/// A new tenant.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct CreateTenant {
    /// For people, 1 to 100 characters.
    pub name: String,
    /// For addresses; derived from the name when absent. The id is `org_` and this.
    pub slug: Option<String>,
    /// Host names that resolve to the tenant at once.
    #[serde(default)]
    pub domains: Vec<String>,
    /// Its first administrator.
    #[serde(default, deserialize_with = "object")]
    pub admin: Option<CreateTenantAdmin>,
    /// Settings, in either vocabulary. This and each of the following objects: 64 KiB of JSON at most.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub config: Map<String, Value>,
    /// Name, logo, colours.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub branding: Map<String, Value>,
    /// Mail and SMS providers.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub messaging: Map<String, Value>,
    /// Pages of a separate front end.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub frontend_urls: Map<String, Value>,
    /// Whatever the operator keeps with it.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub custom_payload: Map<String, Value>,
    /// What its keys sign with: EdDSA (default), RS256, ES256 …
    pub algorithm: Option<String>,
}

/// Reads an object or null. Derived readers take an array for a struct, field by field; nobody means that.
fn object<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct Object<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
        type Value = Option<T>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_none<E>(self) -> Result<Option<T>, E> {
            Ok(None)
        }

        fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
            deserializer.deserialize_map(self)
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<T>, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map)).map(Some)
        }
    }

    deserializer.deserialize_option(Object(PhantomData))
}

impl CreateTenant {
    /// A tenant with a name and nothing else.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            slug: None,
            domains: Vec::new(),
            admin: None,
            config: Map::new(),
            branding: Map::new(),
            messaging: Map::new(),
            frontend_urls: Map::new(),
            custom_payload: Map::new(),
            algorithm: None,
        }
    }
}

/// A change of a tenant. Absent fields stay as they are; objects are merged deeply.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct UpdateTenant {
    /// For people.
    pub name: Option<String>,
    /// All host names it shall have.
    pub domains: Option<Vec<String>>,
    /// Whether it is served; the system administrator's to change.
    pub is_active: Option<bool>,
    /// What new tokens are signed with, once the new key has been published long enough. Until then it can't be
    /// changed again (409), nor while four keys are published.
    pub algorithm: Option<String>,
    /// Settings, in either vocabulary.
    #[schema(value_type = Option<Object>)]
    pub config: Option<Map<String, Value>>,
    /// Name, logo, colours.
    #[schema(value_type = Option<Object>)]
    pub branding: Option<Map<String, Value>>,
    /// Mail and SMS providers.
    #[schema(value_type = Option<Object>)]
    pub messaging: Option<Map<String, Value>>,
    /// Pages of a separate front end.
    #[schema(value_type = Option<Object>)]
    pub frontend_urls: Option<Map<String, Value>>,
    /// Whatever the operator keeps with it.
    #[schema(value_type = Option<Object>)]
    pub custom_payload: Option<Map<String, Value>>,
}

/// A tenant as it is shown. Secrets are masked.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TenantView {
    /// `org_` and the slug.
    pub id: String,
    /// The same as `id`.
    pub uid: String,
    /// The same as `id`.
    pub tenant_id: String,
    /// For people.
    pub name: String,
    /// For addresses.
    pub slug: String,
    /// Its host names.
    pub domains: Vec<String>,
    /// Host names that resolve nothing yet, because ownership isn't proven.
    pub pending_domains: Vec<String>,
    /// Whether it is served.
    pub is_active: bool,
    /// Whether it is deleted; it can be restored until 30 days after `deleted_at`.
    pub is_deleted: bool,
    /// When it was deleted.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub deleted_at: Option<Timestamp>,
    /// What its passkeys are made for; settled by the first.
    pub rp_id: Option<String>,
    /// What its keys sign with.
    pub algorithm: String,
    /// The effective settings, in both vocabularies.
    #[schema(value_type = Object)]
    pub config: Map<String, Value>,
    /// Name, logo, colours.
    #[schema(value_type = Object)]
    pub branding: Map<String, Value>,
    /// Mail and SMS providers.
    #[schema(value_type = Object)]
    pub messaging: Map<String, Value>,
    /// Pages of a separate front end.
    #[schema(value_type = Object)]
    pub frontend_urls: Map<String, Value>,
    /// Whatever the operator keeps with it.
    #[schema(value_type = Object)]
    pub custom_payload: Map<String, Value>,
    /// Who created it.
    pub user_id: Option<String>,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

impl From<&Stored<Tenant>> for TenantView {
    fn from(stored: &Stored<Tenant>) -> Self {
        let tenant = &stored.record;
        let hosts = |proven: bool| {
            tenant.domains.iter().filter(|d| d.is_proven == proven).map(|d| d.host.clone()).collect()
        };
        let id = tenant.id.as_str().to_owned();
        Self {
            uid: id.clone(),
            tenant_id: id.clone(),
            id,
            name: tenant.name.clone(),
            slug: tenant.slug.clone(),
            domains: hosts(true),
            pending_domains: hosts(false),
            is_active: tenant.is_active,
            is_deleted: tenant.deleted_at.is_some(),
            deleted_at: tenant.deleted_at,
            rp_id: tenant.rp_id.clone(),
            algorithm: tenant.algorithm.as_str().to_owned(),
            config: crate::tenant::sealed::mask(&tenant.config.view()),
            branding: tenant.branding.clone(),
            messaging: crate::tenant::sealed::mask(&tenant.messaging),
            frontend_urls: tenant.frontend_urls.clone(),
            custom_payload: tenant.custom_payload.clone(),
            user_id: tenant.created_by.clone(),
            created_at: stored.created_at,
            updated_at: stored.updated_at,
        }
    }
}

/// A tenant just created.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CreatedTenantView {
    /// The tenant.
    #[serde(flatten)]
    pub tenant: TenantView,
    /// Where its first administrator chooses a password, if none was given; told only once, for seven days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invitation_url: Option<String>,
}

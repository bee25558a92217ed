use super::Config;

/// The JSON Schema (draft 2020-12) of `pipeline.yaml`, for editors.
#[must_use]
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Config).to_value()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::super::load::keys;
    use super::schema;

    fn properties<'a>(schema: &'a Value, pointer: &str) -> BTreeSet<&'a str> {
        let properties = schema.pointer(&format!("{pointer}/properties"));
        properties.and_then(Value::as_object).unwrap().keys().map(String::as_str).collect()
    }

    #[test]
    fn the_schema_has_the_keys_that_are_read() {
        let schema = schema();
        let variants = "/$defs/Rollout/oneOf";
        for (pointer, keys) in [
            (String::new(), keys::CONFIG),
            ("/$defs/GitHub".to_owned(), keys::GITHUB),
            ("/$defs/Environment".to_owned(), keys::ENVIRONMENT),
            ("/$defs/Stack".to_owned(), keys::STACK),
            ("/$defs/Workload".to_owned(), keys::WORKLOAD),
            ("/$defs/Build".to_owned(), keys::BUILD),
            (format!("{variants}/0"), &keys::ROLLOUT[..1]),
            (format!("{variants}/1"), &keys::ROLLOUT[1..]),
            (format!("{variants}/0/properties/ecs"), keys::ECS),
            (format!("{variants}/1/properties/lambda"), keys::LAMBDA),
            ("/$defs/Strategy".to_owned(), keys::STRATEGY),
            ("/$defs/Canary".to_owned(), keys::CANARY),
            ("/$defs/CanaryStep".to_owned(), keys::CANARY_STEP),
        ] {
            assert_eq!(properties(&schema, &pointer), keys.iter().copied().collect(), "{pointer}");
            let object = schema.pointer(&pointer).unwrap();
            assert_eq!(object["additionalProperties"], false, "{pointer}");
        }
    }

    #[test]
    fn every_property_is_described() {
        fn undescribed(value: &Value, path: &str, found: &mut Vec<String>) {
            for (name, property) in value["properties"].as_object().into_iter().flatten() {
                let described = ["description", "properties"].iter().any(|key| property.get(key).is_some());
                if !described {
                    found.push(format!("{path}/{name}"));
                }
                undescribed(property, &format!("{path}/{name}"), found);
            }
        }
        let schema = schema();
        let mut found = Vec::new();
        undescribed(&schema, "", &mut found);
        for (name, definition) in schema["$defs"].as_object().unwrap() {
            undescribed(definition, name, &mut found);
        }
        assert_eq!(found, Vec::<String>::new());
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    }
}

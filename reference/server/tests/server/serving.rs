//! One node.

use highwater_wire::Api;
use highwater_wire::messages::ApiVersionsRequest;

use crate::support::{Connection, address, places, run};

#[test]
fn combined_node_serves_api_versions_and_elects_itself() {
    run(async {
        let place = &places(1, &[])[0];
        let server = place.start().await;
        server.serves().await.expect("it serves");
        let mut connection = Connection::open(address(&server, "PLAINTEXT")).await;
        let software = "test".into();
        let request = ApiVersionsRequest {
            client_software_name: software,
            client_software_version: "1.0".into(),
        };
        let response = connection.ask(&request, 3).await;
        assert_eq!(response.error_code, 0);
        assert!(response.api_keys.iter().any(|api| api.api_key == Api::ApiVersions.key()));
        server.stop().await.expect("a stop in good order");
    });
}

package rest

import "net/http"

// route is one endpoint.
type route struct {
	method, path string
	body         bool // the endpoint reads a body, so its content type counts
	serve        func(*call) error
}

var routes = []route{
	{http.MethodGet, "/", false, root},
	{http.MethodPost, "/", false, root},

	{http.MethodGet, "/subjects", false, listSubjects},
	{http.MethodPost, "/subjects/:subject", true, lookup},
	{http.MethodDelete, "/subjects/:subject", false, deleteSubject},
	{http.MethodGet, "/subjects/:subject/metadata", false, latestWithMetadata},
	{http.MethodGet, "/subjects/:subject/diff", false, diff},
	{http.MethodGet, "/subjects/:subject/versions", false, listVersions},
	{http.MethodPost, "/subjects/:subject/versions", true, register},
	{http.MethodGet, "/subjects/:subject/versions/:version", false, getVersion},
	{http.MethodDelete, "/subjects/:subject/versions/:version", false, deleteVersion},
	{http.MethodGet, "/subjects/:subject/versions/:version/schema", false, getVersionText},
	{http.MethodGet, "/subjects/:subject/versions/:version/referencedby", false, referencedBy},
	{http.MethodPost, "/subjects/:subject/versions/:version/tags", true, tagVersion},

	{http.MethodGet, "/schemas", false, listSchemas},
	{http.MethodGet, "/schemas/types", false, listTypes},
	{http.MethodGet, "/schemas/ids/:id", false, getByID},
	{http.MethodGet, "/schemas/ids/:id/schema", false, getTextByID},
	{http.MethodGet, "/schemas/ids/:id/subjects", false, subjectsByID},
	{http.MethodGet, "/schemas/ids/:id/versions", false, versionsByID},
	{http.MethodGet, "/schemas/guids/:guid", false, getByGUID},
	{http.MethodGet, "/schemas/guids/:guid/ids", false, idsByGUID},

	{http.MethodGet, "/config", false, getConfig},
	{http.MethodPut, "/config", true, putConfig},
	{http.MethodDelete, "/config", false, deleteConfig},
	{http.MethodGet, "/config/:subject", false, getConfig},
	{http.MethodPut, "/config/:subject", true, putConfig},
	{http.MethodDelete, "/config/:subject", false, deleteConfig},
	{http.MethodGet, "/mode", false, getMode},
	{http.MethodPut, "/mode", true, putMode},
	{http.MethodDelete, "/mode", false, deleteMode},
	{http.MethodGet, "/mode/:subject", false, getMode},
	{http.MethodPut, "/mode/:subject", true, putMode},
	{http.MethodDelete, "/mode/:subject", false, deleteMode},

	{http.MethodPost, "/compatibility/subjects/:subject/versions", true, checkAll},
	{http.MethodPost, "/compatibility/subjects/:subject/versions/:version", true, checkVersion},

	{http.MethodGet, "/associations/subjects/:subject", false, associationsBySubject},
	{http.MethodGet, "/associations/resources/:resource", false, associationsByID},
	{http.MethodGet, "/associations/resources/:resource/:name", false, associationsByName},
	{http.MethodPost, "/associations", true, createAssociations},
	{http.MethodPut, "/associations/resources/:resource", true, upsertAssociations},
	{http.MethodDelete, "/associations/resources/:resource", false, deleteAssociations},
	{http.MethodPost, `/associations\:batchGet`, true, batchGet},
	{http.MethodPost, `/associations\:batchMutate`, true, batchMutate},

	{http.MethodGet, keksPath, false, listKEKs},
	{http.MethodPost, keksPath, true, createKEK},
	{http.MethodGet, keksPath + "/:kek", false, getKEK},
	{http.MethodPut, keksPath + "/:kek", true, updateKEK},
	{http.MethodDelete, keksPath + "/:kek", false, deleteKEK},
	{http.MethodPost, keksPath + "/:kek/test", false, testKEK},
	{http.MethodPost, keksPath + "/:kek/undelete", false, undeleteKEK},
	{http.MethodGet, keksPath + "/:kek/deks", false, listDEKSubjects},
	{http.MethodPost, keksPath + "/:kek/deks", true, createDEK},
	{http.MethodGet, keksPath + "/:kek/deks/:subject", false, getDEK},
	{http.MethodPost, keksPath + "/:kek/deks/:subject", true, createDEK},
	{http.MethodDelete, keksPath + "/:kek/deks/:subject", false, deleteDEK},
	{http.MethodPost, keksPath + "/:kek/deks/:subject/undelete", false, undeleteDEK},
	{http.MethodGet, keksPath + "/:kek/deks/:subject/versions", false, listDEKVersions},
	{http.MethodGet, keksPath + "/:kek/deks/:subject/versions/:version", false, getDEK},
	{http.MethodDelete, keksPath + "/:kek/deks/:subject/versions/:version", false, deleteDEK},
	{http.MethodPost, keksPath + "/:kek/deks/:subject/versions/:version/undelete", false, undeleteDEK},

	{http.MethodGet, "/contexts", false, listContexts},
	{http.MethodDelete, "/contexts/:context", false, deleteContext},
	{http.MethodGet, "/v1/metadata/id", false, metadataID},
	{http.MethodGet, "/v1/metadata/version", false, metadataVersion},
	{http.MethodGet, "/v1/metadata/deployment", false, metadataDeployment},
}

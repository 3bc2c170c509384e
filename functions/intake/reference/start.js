// Starts the renderer with the description that the page names.
//
// The page is for reading: it has no button that sends a request, and no field for a token. The renderer sends the
// address of the description to nobody (`validatorUrl`) and takes no setting from the page's own address
// (`queryConfigEnabled`).
const place = document.getElementById("reference");
const nothing = () => null;
SwaggerUIBundle({
  domNode: place,
  url: place.dataset.description,
  validatorUrl: null,
  queryConfigEnabled: false,
  supportedSubmitMethods: [],
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  displayOperationId: true,
  filter: true,
  plugins: [{ wrapComponents: {
    authorizeBtn: () => nothing,
    authorizeOperationBtn: () => nothing,
    // The choice of a server, which is for requests.
    ServersContainer: () => nothing,
  } }],
});
for (const link of document.querySelectorAll("nav a")) {
  if (link.pathname === location.pathname) link.setAttribute("aria-current", "page");
}

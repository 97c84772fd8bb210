// The description of the API, drawn in this page; nothing is asked elsewhere.
const place = document.getElementById("description");
SwaggerUIBundle({
  url: place.dataset.schema,
  domNode: place,
  presets: [SwaggerUIBundle.presets.apis],
  validatorUrl: null,
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  persistAuthorization: false,
});
